"""What a newcomer sees: `make run`, and the lines it prints."""
import os
import signal
import subprocess

import house


def test_run_prints_lines_that_work_when_pasted(state_dir):
    ports = [house.free_port(), house.free_port()]
    env = dict(os.environ, STATE_DIR=str(state_dir))
    run = subprocess.Popen([str(house.ROOT / "scripts/run"), "--set", f"receiver.listen=127.0.0.1:{ports[0]}",
                            "--set", f"api.listen=127.0.0.1:{ports[1]}"], cwd=house.ROOT, env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           # A test run in the background was started with Ctrl-C ignored.
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        printed = []
        while "Ctrl-C" not in (line := run.stdout.readline()):
            assert line, printed
            printed.append(line.strip())
        token = (state_dir / "enrolment-token").read_text().strip()
        text = "\n".join(printed)
        assert f"https://127.0.0.1:{ports[1]}/" in text
        assert f"/events/{token}" in text
        assert "admin-password" in text and "rfevent event tail" in text
        curl = next(line for line in printed if line.startswith("curl "))
        for _ in range(2):
            pasted = subprocess.run(["bash", "-c", curl], cwd=house.ROOT, capture_output=True, text=True,
                                    timeout=20, check=False)
            assert (pasted.returncode, pasted.stdout) == (0, "{}"), pasted
        cli = dict(env, RFEVENT_CONFIG=str(state_dir / "rfevent.env"))

        def listed():
            table = subprocess.run([str(house.BUILD / "rfevent"), "event", "list"], env=cli, text=True,
                                   capture_output=True, timeout=20, check=True).stdout
            return table if table.count("PSU 2") == 2 else None
        house.wait_for(listed, 10, "both events in the list")
    finally:
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 0


def test_the_demo_fleet_speaks_in_words(service):
    subprocess.run([str(house.ROOT / "scripts/demo-fleet"), str(service.state_dir), "100", "30"],
                   cwd=house.ROOT, timeout=60, check=True)
    entries = service.wait_entries(30)
    assert len(entries) == 30
    assert len({entry["source"]["name"] for entry in entries}) > 1
    for entry in entries:
        assert entry["resolved_by"]["step"] == "exact" and entry["language"] == "en"
        assert "args_missing" not in entry["quirks"], entry


def test_the_reference_in_docs_is_the_program_s_own():
    printed = subprocess.run([str(house.BUILD / "rfeventd"), "--print-reference"], capture_output=True,
                             text=True, check=True, timeout=10).stdout
    assert (house.ROOT / "docs/configuration.md").read_text().endswith(printed)
