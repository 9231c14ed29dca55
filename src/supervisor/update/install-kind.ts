// How this program came onto the machine, which decides who may change it: only an installation made by the installer
// updates itself; a clone belongs to git and a package to npm.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Layout, layoutOf, programOf, VARIANTS, type Variant } from './layout.ts';

/** bundle.json, which lies in every bundle and nowhere else. */
const BundleManifest = z.object({
  version: z.string(),
  platform: z.string(),
  arch: z.string(),
  variant: z.enum(VARIANTS).catch('plain'),
});
export type BundleManifest = z.infer<typeof BundleManifest>;

export type InstallKind =
  | { readonly kind: 'managed'; readonly layout: Layout; readonly folder: string; readonly variant: Variant }
  | { readonly kind: 'clone' | 'npm' | 'unknown'; readonly how: string };

/** The package's folder: two up from here both in `src/supervisor/update` and in `dist/supervisor/update`. */
export const PACKAGE_FOLDER = fileURLToPath(new URL('../../../', import.meta.url)).replace(/[/\\]$/, '');

export function readBundleManifest(folder: string): BundleManifest | undefined {
  try {
    return BundleManifest.parse(JSON.parse(readFileSync(programOf(folder).manifest, 'utf8')));
  } catch {
    return undefined;
  }
}

/** `folder` is where package.json lies, with links resolved. */
export function installKind(folder: string = PACKAGE_FOLDER): InstallKind {
  const manifest = readBundleManifest(folder);
  if (manifest !== undefined && path.basename(path.dirname(folder)) === 'versions') {
    const layout = layoutOf(path.dirname(path.dirname(folder)));
    return { kind: 'managed', layout, folder, variant: manifest.variant };
  }
  if (existsSync(path.join(folder, '.git'))) {
    return { kind: 'clone', how: 'this is a git clone: update it with `git pull` and `npm ci`' };
  }
  if (path.basename(path.dirname(folder)) === 'node_modules') {
    return { kind: 'npm', how: 'this came with npm: update it with `npm i -g studio-worker`' };
  }
  return {
    kind: 'unknown',
    how: 'this copy was not made by the installer: get the new version where you got this one',
  };
}
