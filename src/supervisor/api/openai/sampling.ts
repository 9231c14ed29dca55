// The fields that chat and plain completions share: how to sample, when to stop, how long to wait. Pure.
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';
import { u32 } from '../../../protocol/numbers.ts';
import { badRequest } from '../problem.ts';

/** OpenAI takes 4 stop strings and upstream any number; no model needs more than these. */
const STOPS_MAX = 16;
const STOP_LENGTH_MAX = 1_000;
/** The longest delay that a timer takes, 24 days: nobody waits longer for a model to go. In ms. */
const KEEP_ALIVE_MS_MAX = 2 ** 31 - 1;

const StopText = z.string().min(1, 'a stop string must not be empty').max(STOP_LENGTH_MAX);

export const SAMPLING = {
  model: absent(z.string()),
  max_tokens: absent(u32),
  temperature: absent(z.number()),
  top_p: absent(z.number().min(0).max(1)),
  stop: absent(z.union([StopText, z.array(StopText).max(STOPS_MAX)], 'expected a text, or up to 16 of them')),
  seed: absent(z.int()),
  stream: absent(z.boolean()),
  stream_options: absent(z.object({ include_usage: absent(z.boolean()) })),
  /** How long the caller waits, queueing included. An extension. */
  deadline_ms: absent(z.number().min(1)),
  /** How long the model stays loaded after this: seconds, or a text such as `5m`; negative: for ever. An extension. */
  keep_alive: absent(z.union([z.number(), z.string()])),
  n: absent(z.number()),
};

export function stopsOf(stop: string | readonly string[] | undefined): string[] | undefined {
  if (stop === undefined) return undefined;
  const stops = typeof stop === 'string' ? [stop] : [...stop];
  return stops.length === 0 ? undefined : stops;
}

/** Engines take seeds from 0 on; each negative one is a seed of its own, the same every time. */
export function seedOf(seed: number | undefined): number | undefined {
  return seed === undefined || seed >= 0 ? seed : 2 ** 32 + (seed % 2 ** 32);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, '': 1_000, m: 60_000, h: 3_600_000 };

/** In ms; negative for ever. */
export function keepAliveMs(given: string | number | undefined): number | undefined {
  if (given === undefined) return undefined;
  const [, digits, unit = ''] = /^(-?\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(String(given).trim()) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit] ?? Number.NaN);
  if (!Number.isFinite(ms)) {
    throw badRequest('keep_alive must be seconds, or a text such as "30s", "5m" or "1h"; -1 is for ever', 'keep_alive');
  }
  return ms < 0 ? -1 : Math.min(ms, KEEP_ALIVE_MS_MAX);
}

export function refuseSeveral(n: number | undefined): void {
  if (n !== undefined && n !== 1) throw badRequest('n must be 1: ask as often as you want answers', 'n');
}
