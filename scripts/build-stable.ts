// `npm run build:stable`: a copy of the built program in .stable/, which no edit, check or build in this clone touches.
// The process manager's stable worker runs from there (ecosystem.config.cjs).
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

for (const [script, ...args] of [['node_modules/typescript/bin/tsc', '-b', 'src'], ['scripts/build-studio.ts']]) {
  execFileSync(process.execPath, [at(script ?? ''), ...args], { cwd: at(''), stdio: 'inherit' });
}
// Complete before it takes the place of the old one.
rmSync(at('.stable.next'), { recursive: true, force: true });
mkdirSync(at('.stable.next'));
for (const part of ['bin', 'dist', 'package.json']) cpSync(at(part), at(`.stable.next/${part}`), { recursive: true });
rmSync(at('.stable'), { recursive: true, force: true });
renameSync(at('.stable.next'), at('.stable'));
