// A port of this machine that nobody listens on. Picked here, since sd-server tells neither the port that it was given
// for 0 nor that one was taken.
import { createServer } from 'node:net';

export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once('error', reject);
  // Exclusive: a port that another sd-server shares is refused here.
  server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
  return promise;
}
