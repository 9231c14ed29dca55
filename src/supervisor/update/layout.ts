// Where things lie in an installation that updates itself, and what a release's files are called. Pure.
//
//   <root>/bin/studio-worker        starts what `current` points to (written once, by the installer)
//   <root>/versions/<version>/      a bundle each: program, modules and a Node runtime; never changed once it is there
//   <root>/current, previous        pointers into versions/: a symbolic link, on Windows a file with the version in it
//   <root>/update.json              what is known of versions: the bad ones, the one on trial, the wanted one
//   <root>/probation                there while the current version has not been healthy yet; counts its starts
//   <root>/downloads/               what is being fetched
import path from 'node:path';

export type Layout = {
  readonly root: string;
  readonly versions: string;
  readonly downloads: string;
  readonly state: string;
  readonly probation: string;
  readonly lock: string;
  /** Where a version on trial says how it is. */
  readonly verdict: string;
  readonly command: string;
};

export function layoutOf(root: string, platform: NodeJS.Platform = process.platform): Layout {
  const { join } = flavour(platform);
  return {
    root,
    versions: join(root, 'versions'),
    downloads: join(root, 'downloads'),
    state: join(root, 'update.json'),
    probation: join(root, 'probation'),
    lock: join(root, 'update.lock'),
    verdict: join(root, 'trial.json'),
    command: join(root, 'bin', platform === 'win32' ? 'studio-worker.cmd' : 'studio-worker'),
  };
}

/** What of a version's folder is needed to start it. */
export function programOf(folder: string, platform: NodeJS.Platform = process.platform) {
  const { join } = flavour(platform);
  return {
    node: join(folder, 'runtime', platform === 'win32' ? 'node.exe' : 'node'),
    bin: join(folder, 'bin', 'studio-worker.js'),
    launcher: join(folder, 'dist', 'supervisor', 'update', 'launcher-main.js'),
    manifest: join(folder, 'bundle.json'),
    inUse: join(folder, 'in-use.lock'),
  };
}

export function versionFolder({ versions }: Layout, version: string): string {
  return path.join(versions, version);
}

export type BundleTarget = {
  readonly platform: string;
  readonly arch: string;
  /** `cuda` has the CUDA builds of the engines on top; the plain bundle computes on Vulkan, Metal or the CPU. */
  readonly variant: Variant;
};
export const VARIANTS = ['plain', 'cuda'] as const;
export type Variant = (typeof VARIANTS)[number];

/** `studio-worker-1.2.3-linux-x64.tar.gz`, with `-cuda` before the ending for that variant. */
export function bundleName(version: string, { platform, arch, variant }: BundleTarget): string {
  return `studio-worker-${version}-${platform}-${arch}${variant === 'plain' ? '' : `-${variant}`}.tar.gz`;
}

function flavour(platform: NodeJS.Platform): path.PlatformPath {
  return platform === 'win32' ? path.win32 : path.posix;
}
