// Whether the ports of the local API are free, found out by listening on them for a moment.
import { createServer } from 'node:net';
import { codeOf } from '../config/write-file.ts';

export type PortCheck = { readonly key: string; readonly port: number; readonly free: boolean; readonly why?: string };

export async function checkPort(key: string, port: number): Promise<PortCheck> {
  const server = createServer();
  try {
    await new Promise<void>((listening, failed) => {
      server.once('error', failed);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, listening);
    });
    await new Promise((closed) => server.close(closed));
    return { key, port, free: true };
  } catch (thrown) {
    return { key, port, free: false, why: codeOf(thrown) };
  }
}
