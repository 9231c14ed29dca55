// By which paths a service starts this program, so that the service file stays true when the program is updated.
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Interpreter and script of the running program. */
export function programPaths(): [node: string, script: string] {
  // Three folders up from here, both in `src/` and in `dist/`.
  const script = fileURLToPath(new URL('../../../bin/studio-worker.js', import.meta.url));
  return [throughCurrent(process.execPath), throughCurrent(script)];
}

/**
 * An installed program lies in `<root>/versions/<version>` and is reached by the link `<root>/current`, which an update
 * turns to the next version. A path by way of the link outlives that.
 */
export function throughCurrent(file: string): string {
  const { sep } = path;
  const parts = file.split(sep);
  const at = parts.lastIndexOf('versions');
  if (at < 1 || at + 2 >= parts.length) return file;
  const root = parts.slice(0, at).join(sep);
  const version = parts.slice(0, at + 2).join(sep);
  const current = path.join(root || sep, 'current');
  try {
    if (realpathSync(current) !== realpathSync(version)) return file;
  } catch {
    return file;
  }
  return path.join(current, ...parts.slice(at + 2));
}
