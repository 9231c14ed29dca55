// Applies the migrations that a database has not seen, and notes them in the table that wrangler uses, so that the same
// database could go on under wrangler.
import type { Migration } from './studio-files.ts';

/** The little of D1 that is needed here; Miniflare's own type drags in the whole of the platform's. */
export interface Database {
  prepare(sql: string): Statement;
  batch(statements: Statement[]): Promise<unknown>;
}
export interface Statement {
  bind(...values: unknown[]): Statement;
  all(): Promise<{ results: unknown[] }>;
}

const APPLIED = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

export async function migrate(database: Database, migrations: Migration[]): Promise<void> {
  await database.batch([database.prepare(APPLIED)]);
  const { results } = await database.prepare('SELECT name FROM d1_migrations').all();
  const applied = new Set(results.map((row) => (row as { name: string }).name));
  const missing = migrations.filter((migration) => !applied.has(migration.name));
  if (missing.length === 0) return;
  // One batch is one transaction: a studio that dies here has all of them or none.
  await database.batch(
    missing.flatMap(({ name, sql }) => [
      ...statementsOf(sql).map((statement) => database.prepare(statement)),
      database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name),
    ]),
  );
}

/** Our migrations hold no `;` but at a statement's end, which is at a line's end. Comments are dropped. */
function statementsOf(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
