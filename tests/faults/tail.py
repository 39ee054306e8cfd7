"""What a crash leaves behind the last whole record of a journal: part of another one."""
import struct

FIRST = 1024           # position of the first record
HEAD_BYTES = 16
SEAL_AT = 512


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(crc, data):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def head(seed, at, payload):
    front = struct.pack("<II", len(payload), crc32c(seed, payload))
    return front + struct.pack("<II", crc32c(seed, struct.pack("<Q", at) + front), 0)


def unsealed(journal):
    """The segment that a kill left; None when there is none with a record."""
    for path in sorted(journal.glob("*.journal"), reverse=True):
        content = path.read_bytes()
        if content[SEAL_AT:SEAL_AT + 4] != b"seal" and content[FIRST:FIRST + 4] != bytes(4):
            return path
    return None


def end_of(content):
    """After the last record."""
    at = FIRST
    while at + HEAD_BYTES <= len(content):
        length, = struct.unpack_from("<I", content, at)
        if length == 0:
            break
        at += HEAD_BYTES + (length + 7 & ~7)
    return at


def spoil(path, chance, flip):
    """Write a record behind the last one and leave part of it (`flip`: all, with a bit that is
    wrong). Nobody was answered for it. False without room for one."""
    content = path.read_bytes()
    at = end_of(content)
    seed = crc32c(0, content[16:32])
    payload = content[FIRST + HEAD_BYTES:at][:chance.randrange(100, 2000)]
    record = bytearray(head(seed, at, payload) + payload)
    if at + len(record) > len(content):
        return False
    if flip:
        bit = chance.randrange(len(record) * 8)
        record[bit // 8] ^= 1 << bit % 8
    else:
        cut = chance.randrange(1, len(record))
        record[cut:] = chance.choice((bytes(len(record) - cut), chance.randbytes(len(record) - cut)))
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(record)
    return True
