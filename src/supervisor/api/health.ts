// `GET /healthz`: that the worker is alive, for anybody on this machine. It answers from what is at hand, so that it is
// quick while every model computes.
import { statfs } from 'node:fs/promises';
import type { ApiParts } from './parts.ts';

/** What changes seldom is looked at so often, in ms. A disk that does not answer then keeps nobody waiting. */
const LOOK_MS = 5_000;

export type Health = {
  readonly ok: true;
  readonly version: string;
  readonly busy: boolean;
  readonly engine: 'multi';
  readonly modelsRoot: string;
  readonly modelsRootFreeBytes: number | null;
  readonly gpuRuntime: { readonly ok: boolean; readonly detail: string } | null;
};

export function openHealth({
  config,
  daemon,
  host,
  version,
}: Pick<ApiParts, 'config' | 'daemon' | 'host' | 'version'>): () => Health {
  let freeBytes: number | null = null;
  let gpuRuntime: Health['gpuRuntime'] = null;
  let lookedMs = Number.NEGATIVE_INFINITY;
  const look = (modelsRoot: string): void => {
    if (performance.now() - lookedMs < LOOK_MS) return;
    lookedMs = performance.now();
    ({ gpuRuntime } = daemon.status());
    statfs(modelsRoot).then(
      ({ bavail, bsize }) => {
        freeBytes = bavail * bsize;
      },
      // The folder is made with the first download.
      () => {
        freeBytes = null;
      },
    );
  };
  return () => {
    const { modelsRoot } = config.current;
    look(modelsRoot);
    const busy = host.models().some(({ runs }) => runs > 0);
    return { ok: true, version, busy, engine: 'multi', modelsRoot, modelsRootFreeBytes: freeBytes, gpuRuntime };
  };
}
