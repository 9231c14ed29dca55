// Opens live speech if the operator wants it. Off, it costs nothing: not even its modules are loaded.
import type { Config } from '../config/schema.ts';
import type { Logs } from '../logs/logs.ts';
import type { Streams, StreamsOptions } from './types.ts';

export const DEFAULT_STREAM_PORT = 4798;

const OFF: Streams = {
  port: undefined,
  mint: () => undefined,
  running: () => 0,
  async idle() {},
  async [Symbol.asyncDispose]() {},
};

export type StartOptions = Omit<StreamsOptions, 'port'> & {
  readonly config: Pick<Config, 'streamEnabled' | 'streamPort'>;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** Never rejects. */
export async function startStreams({ config, env, ...options }: StartOptions): Promise<Streams> {
  if (!config.streamEnabled) return OFF;
  const { openStreams } = await import('./streams.ts');
  return openStreams({ ...options, port: portOf(env.STUDIO_WORKER_STREAM_PORT, config.streamPort, options.logs) });
}

/** The variable wins over the config; 0 in it means any free port. */
function portOf(variable: string | undefined, configured: number | undefined, logs: Pick<Logs, 'warn'>): number {
  if (variable !== undefined && variable !== '') {
    if (/^\d{1,5}$/.test(variable) && Number(variable) <= 65_535) return Number(variable);
    logs.warn('stream', 'STUDIO_WORKER_STREAM_PORT is not a port, passing it over', { value: variable });
  }
  return configured ?? DEFAULT_STREAM_PORT;
}
