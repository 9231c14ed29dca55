// Opens the port of the local API, on the loopback address and nowhere else. A second worker on the machine finds the
// usual port taken and gets another one.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { codeOf } from '../config/write-file.ts';
import type { Logs } from '../logs/logs.ts';

export const DEFAULT_PORT = 4787;
const HOST = '127.0.0.1';

/** The variable wins over the config; 0 in it means any free port. */
export function chosenPort(variable: string | undefined, configured: number | undefined, logs: Logs): number {
  if (variable !== undefined && variable !== '') {
    if (/^\d{1,5}$/.test(variable) && Number(variable) <= 65_535) return Number(variable);
    logs.warn('api', 'STUDIO_WORKER_LOCAL_API_PORT is not a port, passing it over', { value: variable });
  }
  return configured ?? DEFAULT_PORT;
}

/** Resolves with the port that was opened. */
export async function listen(server: Server, port: number, logs: Logs): Promise<number> {
  try {
    return await listenOn(server, port);
  } catch (thrown) {
    const why = codeOf(thrown);
    // Taken, or not this user's to open.
    if (port === 0 || (why !== 'EADDRINUSE' && why !== 'EACCES')) throw thrown;
    const opened = await listenOn(server, 0);
    logs.warn('api', 'the port of the local API cannot be had, listening on another', { port, why, opened });
    return opened;
  }
}

async function listenOn(server: Server, port: number): Promise<number> {
  await new Promise<void>((listening, failed) => {
    const fail = (error: Error): void => failed(error);
    server.once('error', fail);
    server.listen({ host: HOST, port, exclusive: true }, () => {
      server.off('error', fail);
      listening();
    });
  });
  return (server.address() as AddressInfo).port;
}
