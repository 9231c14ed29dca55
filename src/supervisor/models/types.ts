// The face of src/supervisor/models: the catalogue of this machine's models, and what state each is in. Types, and the
// one error that all of it throws.
import type { JobClaim, ModelSource, TaskKind } from '../../protocol/index.ts';

/** One model that this machine may run, as it stands in `models.json`. */
export type CatalogueEntry = {
  readonly id: string;
  readonly displayName: string;
  readonly kind: TaskKind;
  /** Device memory that it takes, in GiB; 0 when nobody has said. */
  readonly vramGbEstimate: number;
  readonly description?: string | undefined;
  readonly source: ModelSource;
  /** A disabled model is listed, and neither loaded nor picked. */
  readonly enabled: boolean;
  /** `studio`: learnt from an offer, and updated by further ones. */
  readonly origin: 'local' | 'studio';
  /** Of the models that share a group, at most one is loaded. */
  readonly exclusiveGroup?: string | undefined;
};

export type ModelState = 'unloaded' | 'loading' | 'loaded' | 'unloading' | 'failed';

export type ModelView = CatalogueEntry & {
  readonly state: ModelState;
  /** Loaded at every start, and kept until it is unloaded by request. */
  readonly resident: boolean;
  /** When it got into this state, RFC 3339 with `+00:00`. */
  readonly since: string;
  /** Whether a load may succeed here: it is enabled and its engine is ready. */
  readonly loadable: boolean;
  /** Why the last load failed. Only in the state `failed`. */
  readonly error?: string | undefined;
  /** 0 to 1, of the phase; only while loading, and only once it is known. */
  readonly progress?: number | undefined;
  readonly phase?: 'fetching' | 'loading' | undefined;
  /** Until it is loaded, as far as can be told. */
  readonly etaSeconds?: number | undefined;
};

export type ModelErrorCode =
  | 'unknown_model'
  | 'model_disabled'
  | 'wrong_kind'
  | 'no_model'
  | 'bad_model'
  | 'catalogue_not_saved'
  | 'residency_not_saved'
  | 'insufficient_memory'
  | 'model_not_loaded'
  | 'model_busy'
  | 'load_failed'
  | 'unload_failed';

export type ModelErrorStatus = 400 | 404 | 409 | 500;

/** What was asked of a model cannot be done. `details` are further fields for the answer of a local API route. */
export class ModelError extends Error {
  static {
    ModelError.prototype.name = 'ModelError';
  }
  readonly code: ModelErrorCode;
  readonly status: ModelErrorStatus;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ModelErrorCode,
    status: ModelErrorStatus,
    message: string,
    options: { readonly details?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.status = status;
    this.details = options.details ?? {};
  }
}

/** `started`: what was asked for is under way, by this request or an earlier one. False: there is nothing left to do. */
export type Asked = { readonly started: boolean; readonly model: ModelView };

export interface Models extends AsyncDisposable {
  /** In catalogue order. */
  list(): readonly ModelView[];
  get(id: string): ModelView | undefined;
  /** The named one, or the first enabled one of the kind. Throws `unknown_model`, `model_disabled`, `wrong_kind`, `no_model`. */
  pick(kind: TaskKind, id?: string): CatalogueEntry;
  /** Adds the entry, or replaces the one of the same id. Rejects with `bad_model` or `catalogue_not_saved`. */
  put(entry: unknown): Promise<void>;
  /** Unloads the model first; a seed does not come back. False when there is no such model. */
  remove(id: string): Promise<boolean>;
  /**
   * Resident from now on. Resolves once the load has begun, rejects when it is refused. A load that fails later, or whose
   * engine is not ready here, shows in the model's state.
   */
  load(id: string): Promise<Asked>;
  /** No longer resident. Running jobs get 10 s; a model that is loading is unloaded when that has ended. */
  unload(id: string): Promise<Asked>;
  /**
   * Loads on demand, without residency: resolves when it is loaded. Rejects with the `Failure` or `ModelError`
   * of the load, or with the signal's reason, and then the load goes on.
   */
  ready(id: string, signal: AbortSignal): Promise<{ readonly wasLoaded: boolean }>;
  /** Brings the files to this machine and nothing more. What has arrived stays when `signal` aborts, and is resumed. */
  pull(id: string, options: PullOptions): Promise<void>;
  /** Mirrors the model of an offer as an entry of origin `studio`. Never touches local entries. */
  learn(claim: JobClaim): void;
  /**
   * `change`, a `ModelChange`, whenever a model's view may differ: often while one loads, so do little in it. `removed`, a
   * `ModelRemoved`, when one has left the catalogue.
   */
  readonly changes: EventTarget;
}

export type PullOptions = {
  readonly signal: AbortSignal;
  /** 0 to 1. */
  readonly progress: (ratio: number) => void;
};

export type ModelChange = CustomEvent<ModelView>;
export type ModelRemoved = CustomEvent<{ readonly id: string }>;
