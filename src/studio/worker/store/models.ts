// The `models` table: the catalogue.
import { ModelSource } from '../../../protocol/index.ts';
import type { ModelEntry } from '../api/model.ts';

export type ModelRow = {
  id: string;
  display_name: string;
  kind: ModelEntry['kind'];
  vram_gb_estimate: number;
  source: string;
};

export function modelStatements(db: D1Database) {
  return {
    list: () => db.prepare('SELECT * FROM models ORDER BY id'),
    insert: (entry: ModelEntry) =>
      db
        .prepare('INSERT INTO models (id, display_name, kind, vram_gb_estimate, source) VALUES (?, ?, ?, ?, ?)')
        .bind(entry.id, entry.displayName, entry.kind, entry.vramGbEstimate, JSON.stringify(entry.source)),
    update: (entry: ModelEntry) =>
      db
        .prepare('UPDATE models SET display_name = ?, kind = ?, vram_gb_estimate = ?, source = ? WHERE id = ?')
        .bind(entry.displayName, entry.kind, entry.vramGbEstimate, JSON.stringify(entry.source), entry.id),
    remove: (id: string) => db.prepare('DELETE FROM models WHERE id = ?').bind(id),
  };
}

export function toEntry(row: ModelRow): ModelEntry {
  return {
    id: row.id,
    displayName: row.display_name,
    kind: row.kind,
    vramGbEstimate: row.vram_gb_estimate,
    source: ModelSource.parse(JSON.parse(row.source)),
  };
}
