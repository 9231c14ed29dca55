// Removes what the build makes, so that a renamed source file cannot live on in the package.
import { rmSync } from 'node:fs';

for (const folder of ['dist', 'build']) {
  rmSync(new URL(`../${folder}`, import.meta.url), { recursive: true, force: true });
}
