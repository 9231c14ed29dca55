// `GET /healthz`: that the worker is alive, for anybody on this machine. It answers from what is at hand, so that it is
// quick while every model computes.
import { statfs } from 'node:fs/promises';
import type { ApiParts } from './parts.ts';

/** A disk that does not answer must not keep the worker from saying that it lives, so the figure may be this old, in ms. */
const FREE_BYTES_MS = 5_000;

export type Health = {
  readonly ok: true;
  readonly version: string;
  readonly busy: boolean;
  readonly engine: 'multi';
  readonly modelsRoot: string;
  readonly modelsRootFreeBytes: number | null;
  readonly gpuRuntime: { readonly ok: boolean; readonly detail: string } | null;
};

export function openHealth({ config, host, version }: Pick<ApiParts, 'config' | 'host' | 'version'>): () => Health {
  let freeBytes: number | null = null;
  let askedMs = Number.NEGATIVE_INFINITY;
  const ask = (modelsRoot: string): void => {
    if (performance.now() - askedMs < FREE_BYTES_MS) return;
    askedMs = performance.now();
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
    ask(modelsRoot);
    return {
      ok: true,
      version,
      busy: host.models().some(({ runs }) => runs > 0),
      engine: 'multi',
      modelsRoot,
      modelsRootFreeBytes: freeBytes,
      gpuRuntime: null,
    };
  };
}
