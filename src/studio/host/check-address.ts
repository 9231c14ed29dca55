// Can this machine listen there? Asked before the runtime starts, which would end the whole process over a wrong answer.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Rejects with what is wrong and what to do; leaves nothing open. */
export async function checkAddress(host: string, port: number): Promise<void> {
  const server = createServer();
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    const why = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
    throw new Error(`cannot listen on ${host}${port === 0 ? '' : `, port ${port}`}: ${why}`, { cause });
  } finally {
    server.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such host, check --host',
  EAI_AGAIN: 'its name cannot be looked up, check --host',
  EADDRNOTAVAIL: 'this machine has no such address, check --host',
  EADDRINUSE: 'something else listens there already, choose another --port',
  EACCES: 'ports below 1024 need more rights, choose another --port',
};
