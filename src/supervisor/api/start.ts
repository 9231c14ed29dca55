// Starts the local API beside the worker. Nobody waits for it: the session comes first, and a worker whose local API
// cannot be opened still works for its studio.
import type { ApiParts } from './parts.ts';

export function startLocalApi(parts: ApiParts): AsyncDisposable {
  const opening = import('./local-api.ts')
    .then(({ openLocalApi }) => openLocalApi(parts))
    .catch((err) => {
      parts.logs.error('api', 'the local API could not be opened, going on without it', { err });
      return undefined;
    });
  return {
    async [Symbol.asyncDispose]() {
      await (await opening)?.[Symbol.asyncDispose]();
    },
  };
}
