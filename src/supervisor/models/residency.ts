// Which models are resident: loaded at every start, and kept until somebody unloads them. `residency.json` is written
// before anything changes in here, so that what was answered to a caller is true after any crash.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { describeIssues } from '../../protocol/index.ts';
import type { Logs } from '../logs/logs.ts';
import { openKeptFile, parseJson } from './kept-file.ts';
import { ModelError } from './types.ts';

const File = z.strictObject({
  version: z.literal(1),
  resident: z.array(z.string().min(1).max(200)).max(1000),
});

export interface Residency {
  has(id: string): boolean;
  /** In one write. Rejects with `residency_not_saved`; nothing has changed then. */
  change(change: { readonly add?: string; readonly remove?: readonly string[] }): Promise<void>;
}

export async function openResidency(path: string, logs: Pick<Logs, 'warn' | 'error'>): Promise<Residency> {
  const file = await openKeptFile({ path, target: 'residency', parse: parseResidency, logs });
  let resident: ReadonlySet<string> = new Set(file.found);
  let turn: Promise<unknown> = Promise.resolve();

  /** One at a time: each writes what the one before it left. */
  function change({ add, remove = [] }: { add?: string; remove?: readonly string[] }): Promise<void> {
    const done = turn.then(async () => {
      const next = new Set(resident);
      for (const id of remove) next.delete(id);
      if (add !== undefined) next.add(add);
      if (isDeepStrictEqual(next, resident)) return;
      try {
        await file.write(residencyText(next));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ModelError('residency_not_saved', 500, `nothing was changed: ${why}`, { cause });
      }
      resident = next;
    });
    turn = done.catch(() => {});
    return done;
  }

  return {
    has: (id) => resident.has(id),
    change,
  };
}

/** Unknown fields are refused: a later version that writes more would mean something by them. */
export function parseResidency(text: string): string[] {
  const parsed = File.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  return parsed.data.resident;
}

export function residencyText(ids: ReadonlySet<string>): string {
  return `${JSON.stringify({ version: 1, resident: [...ids].sort() }, null, 2)}\n`;
}
