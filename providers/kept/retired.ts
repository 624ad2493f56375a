/** Resource types that the program no longer declares, and that states of earlier versions still hold. */
import type { Provider } from "../provider.ts";

/** Lets a resource be read and taken out of the state. Nothing of it is anywhere else. */
export const retired: Provider<object, object> = {
    configure: () => Promise.resolve(),
    check: (_olds, news) => Promise.resolve({ inputs: news, failures: [] }),
    diff: () => Promise.resolve({ changes: false }),
    create: () => Promise.reject(new Error("This resource type is of an earlier version.")),
    read: (id, props) => Promise.resolve({ id, ...(props && { props }) }),
    update: (_id, olds) => Promise.resolve({ outs: olds }),
    delete: () => Promise.resolve(),
};
