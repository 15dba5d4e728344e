// Says that a job has ended to who looks at another tab: by this tab's title, and by a notification where
// the browser was allowed to show some. Nothing leaves this browser.
const said = new Set();

export default function (component) {
  const { data, parentElement } = component;
  const button = parentElement.querySelector("button");
  const known = "Notification" in window ? Notification.permission : "denied";
  button.hidden = !data.waits || known !== "default";
  button.onclick = async () => {
    await Notification.requestPermission();
    button.hidden = true;
  };
  if (data.ended && !said.has(data.id)) {
    said.add(data.id);
    if (document.hidden) tell(data.ended);
  }
}

function tell(words) {
  const before = document.title;
  document.title = `● ${words}`;
  document.addEventListener("visibilitychange", () => {
    if (document.title === `● ${words}`) document.title = before;
  }, { once: true });
  if ("Notification" in window && Notification.permission === "granted") new Notification(words);
}
