// Changes to the catalogue. They pass through the Durable Object because it keeps the catalogue in memory: a new job
// then needs no read to find its model.
import type { ModelEntry } from '../api/model.ts';
import type { Outcome } from '../problem.ts';
import { modelStatements } from '../store/models.ts';
import type { Context } from './context.ts';

export type ModelMove = { do: 'add' | 'change'; entry: ModelEntry } | { do: 'remove'; id: string };

export async function changeModel(c: Context, move: ModelMove): Promise<Outcome<{ id: string }>> {
  const id = move.do === 'remove' ? move.id : move.entry.id;
  const known = c.models.has(id);
  if (move.do === 'add' && known) return { ok: false, code: 'conflict', message: `there is a model "${id}" already` };
  if (move.do !== 'add' && !known) return { ok: false, code: 'not_found', message: `there is no model "${id}"` };
  const statements = modelStatements(c.db);
  if (move.do === 'remove') {
    c.models.delete(id);
    await c.journal.write([statements.remove(id)]);
    return { ok: true, value: { id } };
  }
  const { entry } = move;
  c.models.set(id, {
    id,
    display_name: entry.displayName,
    kind: entry.kind,
    vram_gb_estimate: entry.vramGbEstimate,
    source: JSON.stringify(entry.source),
  });
  await c.journal.write([move.do === 'add' ? statements.insert(entry) : statements.update(entry)]);
  return { ok: true, value: { id } };
}
