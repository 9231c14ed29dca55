// What a build of stable-diffusion.cpp can do, told from its `--version`. Pure. Flags came and went between builds, and
// a build refuses a flag that it does not know.

export type Traits = {
  /** As `--version` says it, for people. */
  readonly version: string;
  /** It lacks `--backend`, `--max-vram` or the server's job routes. */
  readonly tooOld: boolean;
  /** Zero conditioning is a model argument, no longer a flag of its own. */
  readonly modelArgs: boolean;
  readonly eagerLoad: boolean;
  readonly listDevices: boolean;
};

/** May 2026: the first build with `--backend`, the youngest of what this worker cannot do without. */
export const BUILD_MIN = 611;

/** The build that a release's tag counts: `master-<build>-<commit>`. A version of another shape counts as a new one. */
export function traitsOf(versionText: string): Traits {
  const [, tag, count] = /\b([a-z][\w.]*-(\d+)-[0-9a-f]{7,})/.exec(versionText) ?? [];
  const build = count === undefined ? Number.POSITIVE_INFINITY : Number(count);
  return {
    version: tag ?? (versionText.trim().split('\n')[0]?.slice(0, 120) || 'unknown version'),
    tooOld: build < BUILD_MIN,
    eagerLoad: build >= 715,
    listDevices: build >= 747,
    modelArgs: build >= 765,
  };
}
