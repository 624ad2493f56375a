/** The part of a stack's state that is one broker's. */
import type { State } from "./known.ts";
import type { BrokerOutputs } from "./outputs.ts";

export interface Owner {
    /** The component's name. */
    broker: string;
    /** See `WrittenSettings`. */
    ownsStack: boolean;
}

/** The outputs that a broker keeps in its component, where the stack's are another's. */
type Kept = Partial<BrokerOutputs>;

const COMPONENT = "appkata-mqtt:index:MosquittoBroker";
const STACK = "pulumi:pulumi:Stack";

/**
 * A broker's resources, each by the name that it has within its component: `ca` for
 * `mosquitto:certificates:ca`. So they were called until version 0.2, when the program had no such component.
 */
export function stateOf({ broker, ownsStack }: Owner, state: State): State {
    const own = Object.entries(state).flatMap(([urn, resource]) => {
        const [, , type = "", ...names] = urn.split("::");
        const name = names.join("::");
        const [, within] = type.split(`${COMPONENT}$`);
        if (within !== undefined) {
            const [owner, part, ...rest] = name.split(":");
            if (owner !== broker) return [];
            return [[`${within}::${rest.length > 0 ? rest.join(":") : part}`, resource] as const];
        }
        if (ownsStack) return [[urn, resource] as const];
        if (resource.type !== COMPONENT || name !== broker) return [];
        const { kept = "{}" } = resource.outputs as { kept?: string };
        return [[urn, { type: STACK, outputs: JSON.parse(kept) as Kept }] as const];
    });
    return Object.fromEntries(own);
}
