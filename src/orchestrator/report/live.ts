import { createLogUpdate } from 'log-update';
import { monotonicMs } from '../../shared/clock.ts';
import type { Emit } from './event.ts';
import { plainReporter } from './plain.ts';
import { durationText, type Style } from './text.ts';

interface Options {
  readonly stream: NodeJS.WriteStream;
  readonly style: Style;
  readonly verbose: boolean;
}

interface Live {
  readonly emit: Emit;
  /** Takes the list of running steps off the screen. */
  readonly end: () => void;
}

const frameMs = 120;

/** What is done scrolls by; below it stands a list of what is running, with its time and reason. For terminals. */
export const liveReporter = ({ stream, style, verbose }: Options): Live => {
  const screen = createLogUpdate(stream);
  const running = new Map<string, { readonly why: string; readonly sinceMs: number }>();
  const plain = plainReporter({ write: (line) => screen.persist(line), style, verbose });
  const draw = () => {
    if (running.size === 0) {
      screen.clear();
      return;
    }
    // Cut before it is coloured: a line that wraps could not be taken off the screen again.
    const room = stream.columns - 3;
    const lines = [...running].map(([id, one]) => {
      const text = `${id} ${durationText(monotonicMs() - one.sinceMs)} · ${one.why}`.slice(0, room);
      return `${style.yellow('…')} ${text.slice(0, id.length)}${style.dim(text.slice(id.length))}`;
    });
    screen(lines.join('\n'));
  };
  const timer = setInterval(draw, frameMs);
  timer.unref();
  return {
    emit(event) {
      if (event.type === 'started')
        running.set(event.step.id, { why: event.step.why, sinceMs: monotonicMs() });
      if (event.type === 'done' || event.type === 'failed') running.delete(event.step.id);
      plain(event);
      draw();
    },
    end() {
      clearInterval(timer);
      screen.clear();
    },
  };
};
