// Types of what the engines use of packages that bring none.

declare module 'fs-native-extensions' {
  /** False when another open file description holds a lock that excludes this one. The lock ends with the descriptor. */
  export function tryLock(fd: number, options?: { shared?: boolean }): boolean;
}
