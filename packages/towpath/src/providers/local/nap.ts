/** Sleeps that end early when something happened or the signal is aborted. */
export function napper(signal: AbortSignal, onWake: (listener: () => void) => () => void) {
  let end: (() => void) | undefined;
  let woken = false;
  const wake = (): void => {
    woken = true;
    end?.();
  };
  const off = onWake(wake);
  signal.addEventListener('abort', wake);
  return {
    async sleep(ms: number): Promise<void> {
      if (!woken && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          end = (): void => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      end = undefined;
      woken = false;
    },
    close(): void {
      off();
      signal.removeEventListener('abort', wake);
    },
  };
}
