// Starts the local API beside the worker. Nobody waits for it: the session comes first, and a worker whose local API
// cannot be opened still works for its studio.
import type { ApiParts } from './parts.ts';

export type StartedLocalApi = AsyncDisposable & {
  /** `undefined` while it does not listen. */
  readonly url: string | undefined;
};

export function startLocalApi(parts: ApiParts): StartedLocalApi {
  let url: string | undefined;
  const opening = import('./local-api.ts')
    .then(async ({ openLocalApi }) => {
      const api = await openLocalApi(parts);
      url = api.url;
      return api;
    })
    .catch((err) => {
      parts.logs.error('api', 'the local API could not be opened, going on without it', { err });
      return undefined;
    });
  return {
    get url() {
      return url;
    },
    async [Symbol.asyncDispose]() {
      await (await opening)?.[Symbol.asyncDispose]();
    },
  };
}
