// Where the bundled Worker and its migrations lie: dist/studio, seen from the sources as well as from dist itself.
import { access, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

export type Migration = { name: string; sql: string };
export type StudioFiles = { scriptPath: string; migrations: Migration[] };

/** This file is `<root>/src/studio/host/studio-files.ts` or `<root>/dist/studio/host/studio-files.js`. */
const FOLDER = path.resolve(import.meta.dirname, '../../../dist/studio');

export async function loadStudioFiles(): Promise<StudioFiles> {
  const scriptPath = path.join(FOLDER, 'worker.mjs');
  try {
    await access(scriptPath);
    return { scriptPath, migrations: await loadMigrations(path.join(FOLDER, 'migrations')) };
  } catch (cause) {
    throw new Error(`the studio is not built (${scriptPath}): run "npm run build:studio"`, { cause });
  }
}

async function loadMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted();
  return Promise.all(names.map(async (name) => ({ name, sql: await readFile(path.join(folder, name), 'utf8') })));
}
