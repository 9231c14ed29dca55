// What may stand in `models.json` and be given to the local API as a model. Checks values, reads no file.
import { z } from 'zod';
import { describeIssues, type JobClaim, ModelSource, TaskKind } from '../../protocol/index.ts';
import { parseJson } from './kept-file.ts';
import { type CatalogueEntry, ModelError } from './types.ts';

/** An id is shown in lists and logs and typed on command lines, so it has no spaces around it and nothing unprintable. */
const ID = /^(?!\.{1,2}$)(?!\s)[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,200}(?<!\s)$/u;

/** What goes into a URL path as it is, so that the routes of one model can be asked for it. */
const ADDRESSABLE_ID = /^[A-Za-z0-9._:~@+-]{1,200}$/;

/** No device has more, and a larger number is a mistake in the unit. In GiB. */
const ESTIMATE_GIB_MAX = 4096;

const absent = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

/** Unknown fields are passed over: what `GET /models` answers may be changed and sent back, state and all. */
const Entry = z.object({
  id: z.string().regex(ID, 'expected 1 to 200 printable characters'),
  displayName: z.string().trim().min(1, 'expected a name').max(200),
  kind: TaskKind,
  vramGbEstimate: z.number().min(0).max(ESTIMATE_GIB_MAX).default(0),
  description: absent(z.string().max(2000)),
  source: ModelSource,
  enabled: z.boolean().default(true),
  origin: z.enum(['local', 'studio']).default('local'),
  exclusiveGroup: absent(z.string().trim().min(1).max(64)),
});

/** As an upstream worker writes the file; what else stands in it is passed over. */
const File = z.object({
  // A worker that was offered a thousand models by its studios still keeps far fewer than this.
  models: z.array(Entry).max(5000),
  dismissedSeeds: z.array(z.string().max(200)).max(1000).default([]),
});

export type CatalogueText = {
  readonly models: readonly CatalogueEntry[];
  readonly dismissedSeeds: readonly string[];
};

/**
 * Throws `bad_model` with the field that is wrong. A studio may call a model what it wants, so an entry that `isKnown` may
 * have another id than somebody here may choose.
 */
export function parseEntry(value: unknown, isKnown: (id: string) => boolean): CatalogueEntry {
  try {
    const parsed = Entry.safeParse(value);
    if (!parsed.success) throw new ModelError('bad_model', 400, describeIssues(parsed.error));
    if (ADDRESSABLE_ID.test(parsed.data.id) || isKnown(parsed.data.id)) return parsed.data;
    throw new ModelError('bad_model', 400, 'id: expected characters of A-Z a-z 0-9 . _ : ~ @ + -');
  } catch (thrown) {
    // Checking a value that is nested too deeply runs out of stack.
    if (thrown instanceof RangeError) throw new ModelError('bad_model', 400, 'source: nested too deeply');
    throw thrown;
  }
}

/** Throws an `Error` that says what is wrong. Of entries with the same id the last one counts. */
export function parseCatalogue(text: string): CatalogueText {
  const parsed = File.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const { models, dismissedSeeds } = parsed.data;
  return { models: [...new Map(models.map((model) => [model.id, model])).values()], dismissedSeeds };
}

export function catalogueText({ models, dismissedSeeds }: CatalogueText): string {
  const dismissed = dismissedSeeds.length > 0 ? { dismissedSeeds } : {};
  return `${JSON.stringify({ models, ...dismissed }, null, 2)}\n`;
}

/**
 * The model of an offer as an entry; `undefined` when its name is not fit to be an id. Its estimate is 0: the studio's is
 * for one job, and what the model takes here is remembered from its first run.
 */
export function entryOf({ model, task, modelSource }: JobClaim): CatalogueEntry | undefined {
  if (!ID.test(model)) return undefined;
  return {
    ...{ id: model, displayName: model, kind: task.kind, vramGbEstimate: 0 },
    ...{ source: modelSource, enabled: true, origin: 'studio' },
  };
}
