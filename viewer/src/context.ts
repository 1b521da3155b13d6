// What every view gets.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Model } from "./model";
import type { Scope } from "./scope";
import type { State } from "./state";

export interface Context {
  model: Model;
  scope: Scope;
  state: State;
  /** Changes what is looked at. `remember`: the Back button leads here again. */
  set: (patch: Partial<State>, remember?: boolean) => void;
}

export const ViewContext = createContext<Context>(null as never);

export function useView(): Context {
  return useContext(ViewContext);
}
