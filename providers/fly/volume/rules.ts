/** Rules for changes of a volume, for `check` and the settings. */
import { isUnknown } from "../../provider.ts";
import type { VolumeInputs } from "./inputs.ts";

export function shrinkProblem(olds: Partial<VolumeInputs>, news: VolumeInputs): string | undefined {
    const [was, wanted] = [olds.sizeGb, news.sizeGb];
    if (typeof was !== "number" || isUnknown(wanted) || isUnknown(was) || wanted >= was) {
        return undefined;
    }
    const replaced = changesOf(olds, news).length > 0;
    return replaced && news.onReplace !== "restore"
        ? undefined
        : `${wanted} GB: the volume has ${was} GB, and Fly cannot shrink one; keep ${was} or more`;
}

/** Lists the changed inputs that replace the volume, without values that a preview does not know. */
export function changesOf(olds: Partial<VolumeInputs>, news: VolumeInputs) {
    const keys = ["app", "name", "region"] as const;
    return keys.filter(
        (key) => olds[key] !== undefined && !isUnknown(news[key]) && olds[key] !== news[key],
    );
}

export function replacementProblem(
    olds: Partial<VolumeInputs>,
    news: VolumeInputs,
): string | undefined {
    const fate = news.onReplace ?? "refuse";
    const [key] = changesOf(olds, news);
    if (key === undefined || isUnknown(fate) || fate === "discard") {
        return undefined;
    }
    if (fate === "restore" && key === "region") {
        return undefined;
    }
    const change = `${key} "${olds[key]}" → "${news[key]}" replaces the volume`;
    return key === "region"
        ? `${change}: set \`appkata-mqtt:volumeReplacement\` to "restore" (moves the data) or "discard" (starts without it)`
        : `${change} without its data: take a snapshot, set \`appkata-mqtt:volumeReplacement: discard\`, ` +
              "and set `appkata-mqtt:volumeSnapshot` to that snapshot";
}

export function retentionProblem(days: number | undefined): string | undefined {
    return days === undefined ||
        isUnknown(days) ||
        (Number.isInteger(days) && days >= 1 && days <= 60)
        ? undefined
        : `${days} days: snapshots are kept for 1 to 60`;
}
