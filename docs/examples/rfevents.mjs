// A client of rfeventd in one file, for browsers and Node 18 or newer: follow the stream exactly, and ask the
// log. Copy it, change it. Nothing else is needed in a browser or in Node 22; older ones have no WebSocket of
// their own: hand one in (package `ws`, Debian's node-ws).
//
//   import { Client, fileCursor } from "./rfevents.mjs";
//   const client = new Client({ url: "https://host:9443", user: "admin", password: "…" });
//   const cursor = fileCursor("/var/lib/me/cursor");     // in a browser storageCursor("rfevents")
//   for await (const item of client.follow({ cursor, filter: "Severity eq 'Critical'" })) {
//     if (item.kind === "event") await handle(item.entry);
//     else if (item.kind === "gap" || item.kind === "epoch_changed") tellSomebody(item);
//     await cursor.commit(item);
//   }
//
// Commit after handling: what was under way when the program ended comes again, and nothing is missed (at
// least once; an Entry's `id` tells one that came before). Within one run nothing comes twice, over
// reconnections and restarts of the service. When a second step belongs to handling, say to acknowledge
// something by client.request(), take it before the commit, too.
//
// As a program: RFEVENT_PASSWORD=… node rfevents.mjs follow|query --url URL --user NAME
//   [--cursor FILE] [--start live|SEQ] [--filter F] [--language L] [--page N]
// A certificate of an authority of your own: NODE_EXTRA_CA_CERTS=ca.crt.

const ENTRIES = "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries";
const SESSIONS = "/redfish/v1/SessionService/Sessions";
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30000;
const UNAUTHORIZED = 4401;

// The service said no, and would say so again: wrong password, wrong filter.
export class Refused extends Error {}

// The position in a file that is always whole. Any object with load() and commit(item) will do.
export function fileCursor(path) {
  return {
    async load() {
      const { readFile } = await import("node:fs/promises");
      try {
        return JSON.parse(await readFile(path, "utf8"));
      } catch (error) {
        if (error.code === "ENOENT") return null;
        throw error;
      }
    },
    async commit({ epoch, seq }) {
      const { open, rename } = await import("node:fs/promises");
      const file = await open(`${path}.new`, "w");
      await file.writeFile(JSON.stringify({ epoch, seq }));
      await file.sync();
      await file.close();
      await rename(`${path}.new`, path);
    },
  };
}

// The same in a browser's storage.
export function storageCursor(key, storage = globalThis.localStorage) {
  return {
    async load() { return JSON.parse(storage.getItem(key)); },
    async commit({ epoch, seq }) { storage.setItem(key, JSON.stringify({ epoch, seq })); },
  };
}

export class Client {
  // `token`: an API or session token; else `user` and `password`, for which a session is made.
  constructor({ url, user, password, token, WebSocket = globalThis.WebSocket, fetch = globalThis.fetch }) {
    this.url = url.replace(/\/$/, "");
    this.login = token ? null : { UserName: user, Password: password };
    this.token = token;
    this.WebSocket = WebSocket;
    this.fetch = (...args) => fetch(...args);
  }

  // One request; the answer, or Refused with the service's words.
  async request(method, path, { body, headers = {} } = {}) {
    for (let attempt = 0; ; attempt++) {
      const token = await this.#authenticate();
      const answer = await this.fetch(this.url + path, {
        method, headers: { "X-Auth-Token": token, "Content-Type": "application/json", ...headers },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      if (answer.ok) return answer;
      if (answer.status === 401 && this.login && attempt === 0) {  // the session ended
        this.token = null;
        continue;
      }
      throw new Refused(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    }
  }

  async #authenticate() {
    if (this.token) return this.token;
    const answer = await this.fetch(this.url + SESSIONS, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(this.login),
    });
    if (answer.status >= 500) throw new TypeError(`login: ${answer.status}`);
    if (!answer.ok) throw new Refused(`login: ${answer.status} ${await answer.text()}`);
    this.token = answer.headers.get("X-Auth-Token");
    return this.token;
  }

  // Entries of the log that fit, page by page; also those that come in meanwhile, once each.
  async *query({ filter, language, page = 1000, oldestFirst = true } = {}) {
    const order = oldestFirst ? "asc" : "desc";
    let path = `${ENTRIES}?$top=${page}&$orderby=Id%20${order}`;
    if (filter) path += `&$filter=${encodeURIComponent(filter)}`;
    const headers = { Accept: "application/x-ndjson" };
    if (language) headers["Accept-Language"] = language;
    while (path) {
      const answer = await this.request("GET", path, { headers });
      for (const line of (await answer.text()).split("\n")) if (line) yield JSON.parse(line);
      // JSON Lines have no place for a link: it is in the header.
      path = /<([^>]*)>\s*;\s*rel="?next/.exec(answer.headers.get("Link") ?? "")?.[1];
    }
  }

  // Items, for ever or until `signal` (an AbortSignal) ends it. Without a position in `cursor` from `start`:
  // "live", a seq, or 0 for the oldest. An item: { kind, epoch, seq, entry, message }; epoch and seq are the
  // position once it is handled. kind: event (entry), provisional (entry, not in the log yet; only when
  // asked for), position and caught_up (everything up to seq was looked at), gap (message: from, to, reason:
  // these are gone), epoch_changed (the log is another one, say restored from a backup: it is read again from
  // its oldest event).
  async *follow({ cursor, filter, language, provisional = false, start = "live", signal } = {}) {
    const place = { epoch: null, seq: null, ...(await cursor?.load()) };
    let pause = FIRST_PAUSE_MS;
    let refusedTokens = 0;
    while (!signal?.aborted) {
      const subscription = () => ({ type: "subscribe", token: this.token, after: place.seq ?? start,
        epoch: place.epoch ?? undefined, filter, language });
      const inbox = await this.#open(subscription, signal);
      for await (const message of inbox) {
        if (message.type === "hello") {
          const known = place.epoch;
          // Zeros: the database was not reached yet, no log has this name.
          if (/[1-9a-f]/.test(message.epoch)) place.epoch = message.epoch;
          refusedTokens = 0;
          if (!known || known === place.epoch) continue;
          place.seq = 0;
          yield { kind: "epoch_changed", ...place, message: { from: known, to: place.epoch } };
          inbox.send(subscription());
        } else if (message.type === "error") {
          // With the first of these comes a hello; the others are tried again.
          if (["epoch_changed", "too_many"].includes(message.code)) continue;
          if (message.code === "unauthorized" && this.login && refusedTokens++ === 0) {
            this.token = null;
            continue;
          }
          throw new Refused(`${message.code}: ${message.message}`);
        } else {
          pause = FIRST_PAUSE_MS;
          yield* items(message, place, provisional);
        }
      }
      if (signal?.aborted) return;
      await new Promise((wake) => setTimeout(wake, pause * (0.5 + Math.random() / 2)));
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  // A connection as an async iterable of messages that ends with it. Browsers cannot send headers: the first
  // message carries the token beside the subscription.
  async #open(subscription, signal) {
    const waiting = [];
    let wake = () => {}, ended = false, socket = null;
    const end = () => { ended = true; wake(); };
    try {
      await this.#authenticate();
      socket = new this.WebSocket(`${this.url.replace(/^http/, "ws")}/stream`, ["rfevents.v1"]);
      socket.onopen = () => socket.send(JSON.stringify(subscription()));
      socket.onmessage = (event) => { waiting.push(JSON.parse(event.data)); wake(); };
      socket.onclose = (event) => {
        if (event.code === UNAUTHORIZED && this.login) this.token = null;
        end();
      };
      socket.onerror = end;  // some let no close follow
      signal?.addEventListener("abort", () => { socket.close(); end(); }, { once: true });
    } catch (error) {
      if (error instanceof Refused) throw error;
      ended = true;  // not reached: as if it had closed at once
    }
    return {
      send: (message) => { if (socket.readyState === 1) socket.send(JSON.stringify(message)); },
      async *[Symbol.asyncIterator]() {
        try {
          for (;;) {
            while (waiting.length > 0) yield waiting.shift();
            if (ended) return;
            await new Promise((resolve) => { wake = resolve; });
          }
        } finally {
          socket?.close();
        }
      },
    };
  }
}

function* items(message, place, provisional) {
  switch (message.type) {
    case "events":
      for (const entry of message.events) {
        place.seq = entry.seq;
        yield { kind: "event", ...place, entry };
      }
      break;
    case "provisional":
      if (provisional) for (const entry of message.events) yield { kind: "provisional", ...place, entry };
      break;
    case "caught_up":
    case "position":
      place.seq = message.seq;
      yield { kind: message.type, ...place };
      break;
    case "gap":
      place.seq = message.to;
      yield { kind: "gap", ...place, message };
      break;
    default:  // of a later version
  }
}

// --- as a program ---

async function main() {
  const { parseArgs } = await import("node:util");
  const { createRequire } = await import("node:module");
  const text = { type: "string" };
  const { values, positionals: [command] } = parseArgs({
    allowPositionals: true,
    options: { url: text, user: text, cursor: text, start: text, filter: text, language: text, page: text },
  });
  const client = new Client({
    url: values.url, user: values.user, password: process.env.RFEVENT_PASSWORD, token: process.env.RFEVENT_TOKEN,
    WebSocket: globalThis.WebSocket ?? createRequire(import.meta.url)("ws"),
  });
  const { filter, language } = values;
  if (command === "query") {
    for await (const entry of client.query({ filter, language, page: Number(values.page ?? 1000) }))
      console.log(JSON.stringify(entry));
    return;
  }
  const cursor = values.cursor && fileCursor(values.cursor);
  for await (const item of client.follow({ cursor, filter, language, start: values.start })) {
    if (item.kind === "event") console.log(JSON.stringify(item.entry));
    else if (item.message) console.error(item.kind, JSON.stringify(item.message));
    await cursor?.commit(item);
  }
}

if (globalThis.process?.argv?.[1]) {
  const { pathToFileURL } = await import("node:url");
  if (import.meta.url === pathToFileURL(process.argv[1]).href)
    main().catch((error) => {
      console.error(`rfevents: ${error instanceof Refused ? error.message : error.stack}`);
      process.exitCode = 1;
    });
}
