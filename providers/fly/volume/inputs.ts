/** What a program says of a volume, and what the state has of it. */
import type { PropertyRules } from "../../provider.ts";
import type { Owner } from "../ownership.ts";
import type { MachineGuest } from "../api/types.ts";

/** What happens to the data where a change replaces the volume. */
export type OnReplace = "refuse" | "restore" | "discard";

export interface VolumeInputs {
    /** A change is recorded. */
    endpoint: string;
    /** A change replaces the volume, without its data (see `onReplace`). */
    app: string;
    /** Not unique at Fly. A change replaces the volume without its data: Fly cannot rename one. */
    name: string;
    /** A change replaces the volume: it stays on its host. */
    region: string;
    /** Grows in place; the machine is stopped and started if Fly says so. Less is refused. */
    sizeGb: number;
    /** 1 to 60. Changed in place. Left out: as Fly has it (5). */
    snapshotRetentionDays?: number;
    /** A snapshot each day. Changed in place. Left out: as Fly has it (on). */
    autoBackup?: boolean;
    /** The machine that will mount it: a new volume lands on a host with room for that. A later change does nothing. */
    compute?: MachineGuest;
    /** Whose machines the app may hold when a leftover is looked for. A change is recorded. */
    owner?: Owner;
    /**
     * `refuse`: a change that replaces the volume fails. `restore`: in another region, the machine
     * is stopped, a snapshot taken, and the new volume made from it. `discard`: the data is not
     * taken along; a volume of that name that is free in the region is taken up, else an empty one
     * made. A change does nothing by itself. @default "refuse"
     */
    onReplace?: OnReplace;
    /**
     * The snapshot that it is made from, of the same organisation, where `onReplace` does not take
     * another. A later change does nothing.
     */
    snapshotId?: string;
    /**
     * An existing volume, taken instead of making one. Set to another one than the present, it replaces that,
     * which stays at Fly.
     */
    importId?: string;
    /**
     * The setting that protects it. While there is one, its deletion fails before any request. A
     * change is recorded.
     */
    protectedBy?: string;
}

export interface VolumeOutputs extends VolumeInputs {
    volumeId: string;
    /** The host's zone in the region. */
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
