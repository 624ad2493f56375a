/** Selects one broker's part of a stack's state. */
import type { State } from "./known.ts";
import type { BrokerOutputs } from "./outputs.ts";

export interface BrokerRef {
    /** The component's name. */
    broker: string;
    /** See `WrittenSettings`. */
    ownsStack: boolean;
}

/** Outputs that a broker keeps in its component, where it does not own the stack's outputs. */
type Kept = Partial<BrokerOutputs>;

const COMPONENT = "appkata-mqtt:index:MosquittoBroker";
const STACK = "pulumi:pulumi:Stack";

/**
 * Selects a broker's resources and names each by its name within the component: `ca` for
 * `mosquitto:certificates:ca`. Before version 0.2, without the component, these were the full names.
 */
export function stateOf({ broker, ownsStack }: BrokerRef, state: State): State {
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
