// Types of what we use of packages that bring none.

declare module 'fs-native-extensions' {
  /** False when another open file description holds a lock that excludes this one. The lock ends with the descriptor. */
  export function tryLock(fd: number, options?: { shared?: boolean }): boolean;
}

declare module 'pino-roll' {
  type SonicBoom = ReturnType<typeof import('pino').destination>;

  export default function openRollingFile(options: {
    file: string;
    extension: string;
    size: string;
    limit: { count: number; removeOtherLogFiles: boolean };
    mkdir?: boolean;
    sync?: boolean;
    mode?: number;
    maxLength?: number;
  }): Promise<SonicBoom>;
}

declare module 'x11' {
  export interface ScreenSaver {
    /** `idle` is the time since the last input, in ms. */
    QueryInfo(root: number, answer: (error: Error | null | undefined, info?: { idle: number }) => void): void;
  }

  export interface XClient extends NodeJS.EventEmitter {
    readonly stream?: { destroy(): void };
    require(name: 'screen-saver', done: (error: Error | null | undefined, extension?: ScreenSaver) => void): void;
  }

  export interface XDisplay {
    readonly screen: readonly { readonly root: number }[];
  }

  const x11: {
    createClient(
      options: { display: string },
      done: (error: Error | null | undefined, display?: XDisplay) => void,
    ): XClient;
  };
  export default x11;
}
