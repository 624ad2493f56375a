/** The part of a stack's state that is one broker's. */
import type { State } from "./known.ts";

const COMPONENT = "appkata-mqtt:index:MosquittoBroker$";

/**
 * A broker's resources, each by the name that it has within its component: `ca` for
 * `mosquitto:certificates:ca`. So they were called until version 0.2, when the program had no such component.
 *
 * @param broker the component's name
 */
export function stateOf(broker: string, state: State): State {
    const own = Object.entries(state).flatMap(([urn, resource]) => {
        const [, , type, ...name] = urn.split("::");
        const at = type?.indexOf(COMPONENT) ?? -1;
        if (at < 0) return [[urn, resource] as const];
        const [owner, ...within] = name.join("::").split(":");
        if (owner !== broker) return [];
        const [part, ...rest] = within;
        const own = rest.length > 0 ? rest.join(":") : part;
        return [[`${type!.slice(at + COMPONENT.length)}::${own}`, resource] as const];
    });
    return Object.fromEntries(own);
}
