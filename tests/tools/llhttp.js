// What Node's HTTP parser (llhttp) makes of some bytes. In: inputs, each behind its length (four
// bytes, little-endian); out: a line of JSON for each: the requests read, and the error if one ended it.
"use strict";
process.noDeprecation = true;
const { HTTPParser, methods } = process.binding("http_parser");

function parse(bytes) {
  const requests = [];
  const parser = new HTTPParser();
  let now = null;
  parser.initialize(HTTPParser.REQUEST, {});
  let early = "";
  parser[HTTPParser.kOnHeaders | 0] = (headers, url) => {  // more than fit at once, or trailers
    if (!now) early += url;
  };
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, headers, method, url, status, text, upgrade,
    keepAlive) => {
    now = { method: methods[method], url: early + (url || ""), body: [], upgrade, keepAlive, headed: true };
    early = "";
    return 0;
  };
  parser[HTTPParser.kOnBody | 0] = (piece) => { now.body.push(Buffer.from(piece)); };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    requests.push({ method: now.method, url: now.url, upgrade: now.upgrade, keep_alive: now.keepAlive,
      body: Buffer.concat(now.body).toString("hex") });
    now = null;
  };
  const result = parser.execute(bytes);
  return { requests, error: result instanceof Error ? String(result.code || result.message) : null };
}

const all = require("fs").readFileSync(0);
const lines = [];
for (let at = 0; at + 4 <= all.length;) {
  const n = all.readUInt32LE(at);
  lines.push(JSON.stringify(parse(all.subarray(at + 4, at + 4 + n))));
  at += 4 + n;
}
process.stdout.write(lines.join("\n") + "\n");
