/** Context of a machine's create or update, from its first request to its last. */
import { flyClient, type FlyClient } from "../api/client.ts";
import { deadlineIn, type Deadline } from "../api/wait.ts";
import { effectiveConfig } from "./config.ts";
import type { MachineInputs } from "./inputs.ts";

/** The inputs, with the config as it is sent to Fly. */
export interface MachineChange extends Readonly<MachineInputs> {
    readonly client: FlyClient;
    /** Ends all waits together. */
    readonly deadline: Deadline;
}

export function changeOf(inputs: MachineInputs, seconds: number): MachineChange {
    return {
        ...inputs,
        config: effectiveConfig(inputs),
        client: flyClient(inputs.endpoint),
        deadline: deadlineIn(seconds),
    };
}
