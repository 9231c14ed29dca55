// What the supervisor and its preview process say to each other.

export type PreviewAsk = {
  readonly id: number;
  readonly path: string;
  readonly ext: string;
};

export type PreviewAnswer = { readonly id: number } & ({ readonly png: Uint8Array } | { readonly why: string });
