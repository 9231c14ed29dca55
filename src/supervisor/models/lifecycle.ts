// The life of one model on this machine. Pure: the same life and event always give the same step, and nothing here waits,
// logs or touches a GPU. keeper.ts carries out the effects.
//
//              load             loaded              unload
//   unloaded ────────▶ loading ────────▶ loaded ────────▶ unloading ────▶ unloaded
//      ▲                  │ failed
//      └──── unload ── failed ── load ──▶ loading
//
// A model is also loaded by a studio's job, sent away to make room for another, or lost with its engine. The host tells
// of that by what it holds, and the life follows (`seen`), except while a load or an unload of ours is under way: then its
// own end is what counts.

export type Life =
  | { readonly state: 'unloaded' }
  /** `by`: whether a load of ours is under way, or that of a job. `unloadNext`: to be unloaded as soon as it has ended. */
  | { readonly state: 'loading'; readonly by: 'request' | 'job'; readonly unloadNext: boolean }
  | { readonly state: 'loaded' }
  | { readonly state: 'unloading'; readonly by: 'request' | 'host' }
  | { readonly state: 'failed'; readonly error: string };

/** What the host holds of the model. */
export type Sight = 'absent' | 'coming' | 'loaded' | 'leaving';

export type LifeEvent =
  /** Somebody asks for it. */
  | { readonly kind: 'load' }
  | { readonly kind: 'unload' }
  /** The ends of what the effects began. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'loadFailed'; readonly error: string }
  | { readonly kind: 'unloaded' }
  | { readonly kind: 'seen'; readonly sight: Sight };

/** `load` joins the load of a job when there is one. */
export type Effect = 'load' | 'unload';

export type Step = { readonly life: Life; readonly effect?: Effect };

export const UNLOADED: Life = { state: 'unloaded' };
const LOADED: Life = { state: 'loaded' };
const REQUESTED: Life = { state: 'loading', by: 'request', unloadNext: false };
const LEAVING: Life = { state: 'unloading', by: 'request' };

export function step(life: Life, event: LifeEvent): Step {
  switch (event.kind) {
    case 'load':
      return onLoad(life);
    case 'unload':
      return onUnload(life);
    case 'loaded':
      // Any other state is that of a later moment: the host has been heard first.
      if (!isLoadingByRequest(life)) return { life };
      return life.unloadNext ? { life: LEAVING, effect: 'unload' } : { life: LOADED };
    case 'loadFailed':
      if (!isLoadingByRequest(life)) return { life };
      // Whoever asked for it to go away has what they want.
      return { life: life.unloadNext ? UNLOADED : { state: 'failed', error: event.error } };
    case 'unloaded':
      return { life: life.state === 'unloading' && life.by === 'request' ? UNLOADED : life };
    case 'seen':
      return onSight(life, event.sight);
  }
}

function onLoad(life: Life): Step {
  switch (life.state) {
    case 'unloaded':
    case 'failed':
      return { life: REQUESTED, effect: 'load' };
    case 'loading':
      // One that a job began ends with that job when it is cancelled; from now on it must not.
      return life.by === 'job' ? { life: REQUESTED, effect: 'load' } : { life: { ...life, unloadNext: false } };
    case 'loaded':
    case 'unloading':
      return { life };
  }
}

function onUnload(life: Life): Step {
  switch (life.state) {
    case 'unloaded':
    case 'failed':
      return { life: UNLOADED };
    case 'loading':
      return { life: { ...life, unloadNext: true } };
    case 'loaded':
      return { life: LEAVING, effect: 'unload' };
    case 'unloading':
      return { life };
  }
}

function onSight(life: Life, sight: Sight): Step {
  if (isLoadingByRequest(life) || (life.state === 'unloading' && life.by === 'request')) return { life };
  switch (sight) {
    case 'absent':
      // A failure stays until somebody asks again.
      return { life: life.state === 'failed' ? life : UNLOADED };
    case 'coming':
      return { life: life.state === 'loading' ? life : { state: 'loading', by: 'job', unloadNext: false } };
    case 'loaded':
      return life.state === 'loading' && life.unloadNext ? { life: LEAVING, effect: 'unload' } : { life: LOADED };
    case 'leaving':
      // The rest of a load that has failed goes away as well.
      if (life.state === 'failed') return { life };
      return { life: { state: 'unloading', by: 'host' } };
  }
}

function isLoadingByRequest(life: Life): life is Life & { state: 'loading'; by: 'request' } {
  return life.state === 'loading' && life.by === 'request';
}
