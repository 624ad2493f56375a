/** Inputs and outputs of a volume. */
import type { PropertyRules } from "../../provider.ts";
import type { Owner } from "../ownership.ts";
import type { MachineGuest } from "../api/types.ts";

/** Treatments of the data where a change replaces the volume. */
export const ON_REPLACE = ["refuse", "restore", "discard"] as const;
export type OnReplace = (typeof ON_REPLACE)[number];

export interface VolumeInputs {
    /** Base of the Machines API. A change is recorded in the state. */
    endpoint: string;
    /** A change replaces the volume, without its data (see `onReplace`). */
    app: string;
    /**
     * 1 to 30 lowercase letters, digits and underscores; not unique at Fly. A change replaces the volume
     * without its data: Fly cannot rename one.
     */
    name: string;
    /** Region code, such as `lhr`. A change replaces the volume: it cannot leave its host. */
    region: string;
    /** 1 to 500. A larger value grows the volume in place, and reboots the machine if Fly demands that. A smaller one is refused. */
    sizeGb: number;
    /** 1 to 60. A change is in place. @default Fly's own (5) */
    snapshotRetentionDays?: number;
    /** Whether Fly takes a snapshot each day. A change is in place. @default Fly's own (on) */
    autoBackup?: boolean;
    /** Size of the machine that will mount it, so that a new volume lands on a host with room for both. Read at create; a change does nothing. */
    compute?: MachineGuest;
    /** Owner of the app's machines, by which a leftover is recognised. A change is recorded in the state. */
    owner?: Owner;
    /**
     * How a replacement treats the data. `refuse`: the change fails. `restore`: for a new region, stops
     * the machine, takes a snapshot and creates the new volume from it. `discard`: leaves the data behind;
     * the new volume is a free one with the same name in the region, or an empty one. A change does nothing
     * by itself. @default "refuse"
     */
    onReplace?: OnReplace;
    /**
     * ID (`vs_…`) of a snapshot in the same organisation to create the volume from, unless `onReplace` restores
     * another. Read at create; a change does nothing.
     */
    snapshotId?: string;
    /** ID (`vol_…`) of an existing volume to use. A change to another volume replaces this one, which stays at Fly. */
    importId?: string;
    /**
     * Name of the setting that protects the volume. While set, a delete fails before any request. A change is
     * recorded in the state.
     */
    protectedBy?: string;
}

export interface VolumeOutputs extends VolumeInputs {
    volumeId: string;
    /** Zone of the host within the region. */
    zone: string;
    encrypted: boolean;
    fstype: string;
    state: string;
    createdAt: string;
}

export const VOLUME_RULES: PropertyRules<VolumeInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    name: { effect: "replace" },
    region: { effect: "replace" },
    sizeGb: { effect: "update" },
    snapshotRetentionDays: { effect: "update", optional: true },
    autoBackup: { effect: "update", optional: true },
    owner: { effect: "update", optional: true },
    onReplace: { effect: "none", optional: true },
    snapshotId: { effect: "none", optional: true },
    importId: { effect: "none", optional: true },
    compute: { effect: "none", optional: true },
    protectedBy: { effect: "update" },
};
