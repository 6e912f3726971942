// Sends the answer on to the application at once. Without scripts the page's button does the same.
(function () {
  var form = document.getElementById("form-post");
  if (form) {
    form.submit();
  }
})();
