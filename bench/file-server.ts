// A server of one large file that costs nothing to make: the same random megabyte over and over, with a tag and ranges.
// `/<size>` is a file of that size, and `/<size>/cut/<bytes>` breaks the connection after that many bytes of a request from
// the start. Tells its port, and where each request began, over the IPC channel of the process that started it.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const MIB = 1024 * 1024;
const piece = randomBytes(MIB);

const server = createServer(async (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const [, whole = '0', broken = whole] = /^\/(\d+)(?:\/cut\/(\d+))?$/.exec(request.url ?? '') ?? [];
  const size = Number(whole);
  const cut = from === 0 ? Number(broken) : size;
  process.send?.({ kind: 'asked', from });
  response.writeHead(from === 0 ? 200 : 206, {
    etag: '"one"',
    'content-length': size - from,
    ...(from > 0 && { 'content-range': `bytes ${from}-${size - 1}/${size}` }),
  });
  for (let at = from; at < cut; ) {
    const offset = at % MIB;
    const chunk = piece.subarray(offset, Math.min(MIB, offset + cut - at));
    at += chunk.byteLength;
    if (!response.write(chunk)) await new Promise((drained) => response.once('drain', drained));
  }
  if (cut === size) return void response.end();
  response.socket?.end();
});
server.listen(0, '127.0.0.1', () =>
  process.send?.({ kind: 'listening', port: (server.address() as AddressInfo).port }),
);
process.on('disconnect', () => process.exit(0));
