// A wallet in the browser (EIP-1193): sign in with it (EIP-4361), send a claim with it.
import { ask, post } from "./page.js";
import { t } from "./words.js";

function wallet() {
  if (!window.ethereum) throw new Error(t("noWallet"));
  return window.ethereum;
}
async function account() {
  const [address] = await wallet().request({ method: "eth_requestAccounts" });
  return address;
}
const hex = (text) => "0x" + [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export async function signIn() {
  const address = await account();
  const { nonce, message } = await post("/v1/session/challenge", { address });
  const signature = await wallet().request({ method: "personal_sign", params: [hex(message), address] });
  const session = await post("/v1/session", { address, nonce, signature });
  try { localStorage.setItem("signed-in", "yes"); } catch { /* for this visit only */ }
  return session;
}
export async function signOut() {
  await ask("/v1/session", { method: "DELETE" });
  try { localStorage.removeItem("signed-in"); } catch { /* nothing was kept */ }
  return null;
}

// The wallet sends the contract's own call: it pays the gas, and this server is not needed for it.
export async function claimByWallet(path, bundle) {
  const from = await account();
  const call = await post(`${path}/call`, bundle);
  const chain = await wallet().request({ method: "eth_chainId" });
  if (BigInt(chain) !== BigInt(call.chain_id)) {
    await wallet().request({ method: "wallet_switchEthereumChain", params: [{ chainId: "0x" + call.chain_id.toString(16) }] });
  }
  return wallet().request({ method: "eth_sendTransaction", params: [{ from, to: call.to, data: call.data }] });
}
