// What goes into a bundle for a platform. Pure: the lock file says which packages there are and which platform each is
// for; what no program reads (types, source maps, other platforms' libraries) stays out.

export type Target = { readonly platform: string; readonly arch: string; readonly variant: 'plain' | 'cuda' };

export type LockEntry = {
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
};
export type Packages = Readonly<Record<string, LockEntry>>;

/** CUDA builds of the engines are 735 MB on Linux, so they are in a bundle of their own. */
const CUDA_PACKAGE = /-cuda(-ext)?$/;

/** Some packages say that they also fit another architecture, for cross-compiling; their name says what they are. */
const NAMED_ARCH = /[-/](x64|arm64|armv7l|riscv64|ia32)(?=[-/]|$)/;

export type Chosen = { readonly path: string; readonly optional: boolean };

/**
 * What the program needs, directly and through others. Followed from its own dependencies: the lock file's marks of
 * development packages are not complete. Paths are `node_modules/…`; an optional one may be absent when it is for no
 * platform in particular.
 */
export function packagesFor(target: Target, packages: Packages): Chosen[] {
  const chosen = new Map<string, Chosen>();
  const follow = (from: string, optionalAbove: boolean): void => {
    const entry = packages[from] ?? {};
    const wanted = [
      ...Object.keys(entry.dependencies ?? {}).map((name) => [name, false] as const),
      ...Object.keys(entry.peerDependencies ?? {})
        .filter((name) => from !== '' && !entry.peerDependenciesMeta?.[name]?.optional)
        .map((name) => [name, false] as const),
      ...Object.keys(entry.optionalDependencies ?? {}).map((name) => [name, true] as const),
    ];
    for (const [name, isOptional] of wanted) {
      const path = resolve(name, from, packages);
      if (path === undefined) continue;
      const found = packages[path] ?? {};
      if (!isFor(target, path, found)) continue;
      // Of a platform: the very thing that the bundle is for.
      const optional = (optionalAbove || isOptional) && found.os === undefined && found.cpu === undefined;
      const before = chosen.get(path);
      if (before !== undefined && (optional || !before.optional)) continue;
      chosen.set(path, { path, optional });
      follow(path, optional);
    }
  };
  follow('', false);
  return [...chosen.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** As Node looks for it: beside the package's own modules first, then further up. */
function resolve(name: string, from: string, packages: Packages): string | undefined {
  const above = from.split('/node_modules/');
  for (let depth = from === '' ? 0 : above.length; depth >= 0; depth -= 1) {
    const folder = above.slice(0, depth).join('/node_modules/');
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (path in packages) return path;
  }
  return undefined;
}

function isFor({ platform, arch, variant }: Target, path: string, entry: LockEntry): boolean {
  if (variant !== 'cuda' && CUDA_PACKAGE.test(path)) return false;
  if (!allows(entry.os, platform) || !allows(entry.cpu, arch)) return false;
  // Bundles for Linux are for glibc, as the Node in them is.
  if (!allows(entry.libc, 'glibc')) return false;
  const named = entry.cpu === undefined ? undefined : NAMED_ARCH.exec(path)?.[1];
  return named === undefined || named === arch;
}

function allows(list: readonly string[] | undefined, value: string): boolean {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${value}`)) return false;
  const named = list.filter((each) => !each.startsWith('!'));
  return named.length === 0 || named.includes(value);
}

/** Whether a file of a package is needed at run time. `file` begins with the package's name and has forward slashes. */
export function isNeeded(file: string, { platform, arch }: Target): boolean {
  const library = /^onnxruntime-node\/bin\/[^/]+\/([^/]+)\/([^/]+)\//.exec(file);
  if (library !== null) return library[1] === platform && library[2] === arch;
  if (/\.(map|tsbuildinfo|d\.[cm]?ts)$/.test(file)) return false;
  const name = file.slice(file.lastIndexOf('/') + 1);
  // Licences have to travel with what they are of.
  if (/^(licen[cs]e|notice|copying|third)/i.test(name)) return true;
  return !/\.(md|markdown)$/i.test(name);
}
