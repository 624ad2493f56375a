/** Context of a volume's create, update or delete, from its first request to its last. */
import { flyClient, type FlyClient } from "../api/client.ts";
import type { VolumeInputs } from "./inputs.ts";

export interface VolumeChange extends Readonly<VolumeInputs> {
    readonly client: FlyClient;
}

export function changeOf(inputs: VolumeInputs): VolumeChange {
    return { ...inputs, client: flyClient(inputs.endpoint) };
}
