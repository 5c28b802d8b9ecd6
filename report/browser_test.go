package report

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	chrome "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

//go:embed testdata/accessible.js
var accessibleJS string

// browser starts a headless Chromium and opens the page. What the browser
// complains of, or asks for beyond the file, fails the test at its end.
func browser(t *testing.T, path string) context.Context {
	t.Helper()
	binary := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			binary = found
			break
		}
	}
	if binary == "" {
		t.Skip("no chromium on PATH: install it (apt-get install chromium) to test the page in a browser")
	}
	alloc, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(binary), chromedp.UserDataDir(profile(t)), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)

	address := (&url.URL{Scheme: "file", Path: path}).String()
	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	chromedp.ListenTarget(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			if u := ev.Request.URL; u != address && !strings.HasPrefix(u, "data:") {
				complain("request for %.100s", u)
			}
		case *runtime.EventConsoleAPICalled:
			complain("console.%s", ev.Type)
		case *runtime.EventExceptionThrown:
			complain("exception: %s", ev.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			complain("log: %s", ev.Entry.Text)
		}
	})
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Error(c)
		}
	})
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// show sets the width of the window and the colour scheme.
func show(width int64, scheme string) chromedp.Tasks {
	return chromedp.Tasks{
		emulation.SetDeviceMetricsOverride(width, 900, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	}
}

// profile is a new folder for the browser. Its processes write there until the
// last of them is gone, shortly after the test, so removing it takes patience.
func profile(t *testing.T) string {
	dir, err := os.MkdirTemp("", "driftbench-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("%s is still written to and stays", dir)
	})
	return dir
}

func TestPageInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	in := inventedInput()
	in.Results = inGroups(in.Results)
	if err := runPage(in).write(dir, "index.html", 30); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t, filepath.Join(dir, "report", "index.html"))
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, scheme), func(t *testing.T) { checkLayout(t, ctx, width, scheme) })
		}
	}
	t.Run("wide tables", func(t *testing.T) { checkCut(t, ctx) })
	t.Run("open", func(t *testing.T) { checkOpen(t, ctx) })
	t.Run("sort", func(t *testing.T) { checkSorting(t, ctx) })
	t.Run("print", func(t *testing.T) { checkPrint(t, ctx) })
	t.Run("axe", func(t *testing.T) { checkAxe(t, ctx) }) // the last, as it takes the pictures away
}

// The worst names and the most numbers must not break the page's layout.
func TestHostilePageInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	runs := degenerates()
	for _, name := range []string{"hostile names", "40 months, 12 detectors, 10 splits", "nothing", "blocked"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := runPage(runs[name]).write(dir, "index.html", 30); err != nil {
				t.Fatal(err)
			}
			ctx := browser(t, filepath.Join(dir, "report", "index.html"))
			for _, width := range []int64{1280, 390} {
				checkLayout(t, ctx, width, "light")
			}
		})
	}
}

func checkLayout(t *testing.T, ctx context.Context, width int64, scheme string) {
	t.Helper()
	var got struct {
		Overflow int
		Pictures []struct {
			Alt           string
			Natural, Wide float64
			Narrow        bool
		}
		Problems []string
	}
	err := chromedp.Run(ctx, show(width, scheme), chromedp.EvaluateAsDevTools(`(async () => {
		const images = [...document.images];
		// The browser picks another source some time after the window changed.
		const narrow = (i) => i.currentSrc !== i.getAttribute("src");
		const settled = () => images.every((i) => narrow(i) === matchMedia("(max-width: 600px)").matches);
		for (let n = 0; n < 250 && !settled(); n++) await new Promise((done) => setTimeout(done, 20));
		await Promise.all(images.map((i) => i.decode()));
		return {
			Overflow: document.documentElement.scrollWidth - innerWidth,
			Pictures: images.map((i) => ({
				Alt: i.alt, Natural: i.naturalWidth * i.naturalHeight, Wide: i.getBoundingClientRect().width,
				Narrow: narrow(i),
			})),
			Problems: (`+accessibleJS+`)(),
		};
	})()`, &got, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if err != nil {
		t.Fatal(err)
	}
	if got.Overflow > 0 {
		t.Errorf("at %d pixels the page scrolls sideways by %d", width, got.Overflow)
	}
	for _, p := range got.Pictures {
		if p.Natural == 0 || p.Wide < float64(min(width, 900))*0.8 || p.Narrow != (width < 600) {
			t.Errorf("at %d pixels the picture %.60q: %+v", width, p.Alt, p)
		}
	}
	for _, p := range got.Problems {
		t.Errorf("%s, %d pixels: %s", scheme, width, p)
	}
}

// axe-core finds nothing, in either colour scheme, closed or with every part open.
// With every part open it does not look at contrast, which takes it half a minute:
// checkLayout does.
func checkAxe(t *testing.T, ctx context.Context) {
	axe, err := os.ReadFile(filepath.Join("..", ".deps", "axe", "axe.min.js"))
	if err != nil {
		t.Skip("no axe-core: `make axe` fetches it")
	}
	if err := chromedp.Run(ctx, chromedp.Evaluate(string(axe), nil)); err != nil {
		t.Fatal(err)
	}
	for _, look := range []struct {
		width        int64
		scheme, open string
	}{{1280, "light", "false"}, {1280, "dark", "false"}, {390, "light", "true"}} {
		var found []string
		err := chromedp.Run(ctx, show(look.width, look.scheme), chromedp.EvaluateAsDevTools(`(async () => {
			for (const d of document.querySelectorAll("details")) d.open = `+look.open+`;
			// The reports of axe hold the tags of all elements, with the pictures in them.
			for (const e of document.querySelectorAll("source")) e.remove();
			for (const e of document.images) e.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
			for (const e of document.querySelectorAll("a[download]")) e.href = "data:,";
			const { violations } = await axe.run({ resultTypes: ["violations"], rules: { "color-contrast": { enabled: !`+look.open+` } } });
			return violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120)).join(" | "));
		})()`, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("%+v: %s", look, f)
		}
	}
}

// A window of 1280 pixels shows the tables of AUROCs whole, and every detector when
// the reader opens them.
func checkCut(t *testing.T, ctx context.Context) {
	var cut int
	err := chromedp.Run(ctx, show(1280, "light"), chromedp.Evaluate(`(() => {
		document.querySelector("#auroc-drift details").open = true;
		return Math.max(...[...document.querySelectorAll("#auroc-drift .scroll")].map((e) => e.scrollWidth - e.clientWidth));
	})()`, &cut))
	if err != nil {
		t.Fatal(err)
	}
	if cut > 0 {
		t.Errorf("%d pixels of the table of AUROCs are cut", cut)
	}
}

// A page that nobody has opened a part of reads in a minute, and a link to a closed
// section opens it.
func checkOpen(t *testing.T, ctx context.Context) {
	var words int
	var opened bool
	err := chromedp.Run(ctx, chromedp.Evaluate(`(() => {
		for (const d of document.querySelectorAll("details")) d.open = false;
		return document.body.innerText.trim().split(/\s+/).length;
	})()`, &words),
		chromedp.Click(`nav a[href="#roc"]`, chromedp.ByQuery),
		chromedp.Poll(`document.querySelector("#roc details").open`, &opened),
		chromedp.Evaluate(`document.querySelector("#auroc-drift details").open = true`, nil))
	if err != nil {
		t.Fatal(err)
	}
	if words < 200 || words > 1500 || !opened {
		t.Errorf("%d words are shown at first, want 200 to 1500; the section of a link is open: %v", words, opened)
	}
}

// readColumn returns what the table of AUROCs holds in a column, and the column's
// aria-sort.
func readColumn(n int) (string, func(ctx context.Context) ([]string, string, error)) {
	head := fmt.Sprintf("document.querySelector('#auroc-drift details table').tHead.rows[0].cells[%d]", n)
	return head, func(ctx context.Context) ([]string, string, error) {
		var values []string
		var order string
		err := chromedp.Run(ctx,
			chromedp.Evaluate(fmt.Sprintf("[...document.querySelector('#auroc-drift details table').tBodies[0].rows].map((r) => r.cells[%d].dataset.sort)", n), &values),
			chromedp.Evaluate(head+".getAttribute('aria-sort') || ''", &order))
		return values, order, err
	}
}

func checkSorting(t *testing.T, ctx context.Context) {
	const auroc = 4
	head, read := readColumn(auroc)
	before, order, err := read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if order != "" || slices.IsSorted(before) {
		t.Fatalf("the table is sorted before anyone asked: %s %v", order, before)
	}
	button := chromedp.ByJSPath
	for _, step := range []struct {
		how    string
		action chromedp.Action
		want   string
	}{
		{"a click", chromedp.Click(head+".firstElementChild", button), "ascending"},
		{"a second click", chromedp.Click(head+".firstElementChild", button), "descending"},
		{"Enter", chromedp.Tasks{chromedp.Focus(head+".firstElementChild", button), chromedp.KeyEvent(kb.Enter)}, "ascending"},
		{"the space bar", chromedp.KeyEvent(" "), "descending"},
	} {
		if err := chromedp.Run(ctx, step.action); err != nil {
			t.Fatal(err)
		}
		got, order, err := read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(slices.Values(before)) // equal widths below 1, so text sorts as numbers
		if step.want == "descending" {
			slices.Reverse(want)
		}
		if order != step.want || !slices.Equal(got, want) {
			t.Errorf("after %s the column is %s: %v", step.how, order, got)
		}
	}
	_, other := readColumn(0)
	if err := chromedp.Run(ctx, chromedp.Click("#auroc-drift details table th button", chromedp.ByQuery)); err != nil {
		t.Fatal(err)
	}
	if _, order, _ := other(ctx); order != "ascending" {
		t.Errorf("the other column is %q", order)
	}
	if _, order, _ := read(ctx); order != "" {
		t.Errorf("two columns claim to be sorted: the first stays %q", order)
	}
}

// pageObject is a page in an uncompressed part of a PDF.
var pageObject = regexp.MustCompile(`/Type\s*/Page\b`)

// On paper nothing scrolls, so nothing may be cut.
func checkPrint(t *testing.T, ctx context.Context) {
	var cut []string
	var pdf []byte
	err := chromedp.Run(ctx,
		emulation.SetDeviceMetricsOverride(718, 1000, 1, false), // A4 without margins, in CSS pixels
		emulation.SetEmulatedMedia().WithMedia("print"),
		chromedp.Evaluate(`[...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight).map((e) => e.getAttribute("aria-labelledby") + " by " + (e.scrollWidth - e.clientWidth))`, &cut),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			pdf, _, err = chrome.PrintToPDF().Do(ctx)
			return err
		}))
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range cut {
		t.Errorf("%s pixels is cut on paper", what)
	}
	if pages := len(pageObject.FindAll(pdf, -1)); pages < 2 || pages > 8 {
		t.Errorf("the print has %d pages, want 2 to 8", pages)
	}
}
