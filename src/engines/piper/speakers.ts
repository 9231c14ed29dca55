// Which speaker of a model a task means: by number, by name, or the first. Pure.
import { Failure } from '../../protocol/failure.ts';

/** Names by speaker number; holes for speakers that have none. */
export type Speakers = { readonly count: number; readonly names: readonly (string | undefined)[] };

/** A library voice has 900 speakers; a message with all of them helps nobody. */
const LISTED_MAX = 60;

/** From Kokoro's metadata (`af,af_bella,…`) or Piper's own description (`speaker_id_map`). */
export function speakersOf(count: number, metadata: ReadonlyMap<string, string>, config: unknown): Speakers {
  const names: (string | undefined)[] = (metadata.get('speaker_names') ?? '').split(/[,\s]+/).filter(Boolean);
  const map = (config as { speaker_id_map?: unknown } | undefined)?.speaker_id_map;
  for (const [name, id] of Object.entries(map ?? {})) {
    if (Number.isInteger(id) && id >= 0 && id < count) names[id] = name;
  }
  // A model of one speaker may say that it has none.
  return { count: Math.max(1, count), names: names.slice(0, count) };
}

export function speakerId(voice: string, { count, names }: Speakers): number {
  const wanted = voice.trim();
  if (wanted === '' || wanted === 'default') return 0;
  const named = names.findIndex((name) => name?.toLowerCase() === wanted.toLowerCase());
  if (named !== -1) return named;
  // Out of range, the library would take the first without a word to the user.
  if (/^\d{1,6}$/.test(wanted) && Number(wanted) < count) return Number(wanted);
  throw new Failure('INPUT_INVALID', `the model has no voice \`${voice}\`; it has: ${listOf({ count, names })}`);
}

function listOf({ count, names }: Speakers): string {
  const known = names.filter((name) => name !== undefined);
  const numbers = count === 1 ? '0' : `0 to ${count - 1}`;
  const more = known.length > LISTED_MAX ? `, and ${known.length - LISTED_MAX} more` : '';
  return ['default', ...known.slice(0, LISTED_MAX)].join(', ') + more + (known.length < count ? `, ${numbers}` : '');
}
