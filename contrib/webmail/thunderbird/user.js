// user.js - goes into a Thunderbird profile, or with pref() instead of
// user_pref() into the installation's defaults/pref. Filters and quick search
// can then use Sampul's field, and the header pane shows it; versions that do
// not show it there do so by View, Headers, All.
user_pref("mailnews.customHeaders", "X-Verified-Sender");
user_pref("mailnews.headers.extraExpandedHeaders", "X-Verified-Sender");
// Tags for the two filters of msgFilterRules.dat.
user_pref("mailnews.tags.sampul-verified.tag", "Terverifikasi");
user_pref("mailnews.tags.sampul-verified.color", "#1A7F37");
user_pref("mailnews.tags.sampul-not-verified.tag", "TIDAK terverifikasi");
user_pref("mailnews.tags.sampul-not-verified.color", "#B35900");
