// Whether a request may become a stream. The order of the checks is the contract's. Pure.
import type { Endpoint } from './end-of-speech.ts';
import type { StreamTokens } from './tokens.ts';

export const STREAM_PATH = '/transcribe';

export type Admitted = { readonly kind: 'admitted'; readonly model: string; readonly endpoint: Endpoint };
export type Refused = { readonly kind: 'refused'; readonly status: 400 | 401 | 404; readonly text: string };

export function judgeHandshake(target: string | undefined, tokens: Pick<StreamTokens, 'modelOf'>): Admitted | Refused {
  const [path = '', query = ''] = split(target ?? '');
  if (path !== STREAM_PATH) return { kind: 'refused', status: 404, text: 'not found' };
  const parameters = new URLSearchParams(query);
  const endpoint = parameters.get('endpoint');
  if (endpoint !== 'server' && endpoint !== 'client') {
    return { kind: 'refused', status: 400, text: 'endpoint must be server or client' };
  }
  const model = tokens.modelOf(parameters.get('token') ?? '');
  if (model !== undefined) return { kind: 'admitted', model, endpoint };
  return { kind: 'refused', status: 401, text: 'unauthorized: get a token from POST /stream-tokens of the local API' };
}

function split(target: string): [path: string, query: string] {
  const at = target.indexOf('?');
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)];
}
