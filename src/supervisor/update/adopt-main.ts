// The end of an installation as a program, run by the installer with the new version's own Node:
// `node <root>/versions/<version>/dist/supervisor/update/adopt-main.js` makes that version the current one.
import path from 'node:path';
import { adoptVersion } from './adopt.ts';
import { installKind } from './install-kind.ts';

try {
  const install = installKind();
  if (install.kind !== 'managed') throw new Error('this is not a version inside an installation');
  await adoptVersion(install.layout, path.basename(install.folder));
} catch (thrown) {
  process.stderr.write(`studio-worker: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 1;
}
